"""Operations on tokens, and on the sessions that used them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from hornet.core import codes
from hornet.core.channels import CONTROL_CHANNEL, check_token_channels
from hornet.core.grants import Grant
from hornet.core.tokens import DEFAULT_TOKEN_TTL_S
from hornet.web.api.auth import Right
from hornet.web.api.fields import (
    MAX_LISTED,
    Answer,
    ChannelName,
    Info,
    Request,
    Token,
    Tokens,
    UserId,
    listed,
)
from hornet.web.api.operation import ApiServices, Call, Nothing, Operation
from hornet.web.api.problems import Problem

MAX_TTL_S = 604_800


class NewToken(Request, frozen=True, kw_only=True):
    """What a token gives to the client that shows it first. Without a channel it needs a user."""

    channels: ChannelName | Annotated[list[ChannelName], Meta(max_length=MAX_LISTED)] = field(
        default_factory=list
    )
    ttl: Annotated[int, Meta(ge=1, le=MAX_TTL_S, description="Seconds for which the token lives unused.")] = (
        DEFAULT_TOKEN_TTL_S
    )
    user: Annotated[UserId | None, Meta(description="Who that client is.")] = None
    info: Info = None
    publish: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=512)]],
        Meta(
            max_length=MAX_LISTED,
            description="Channels on which the client may publish; `*` stands for any run of characters.",
        ),
    ] = field(default_factory=list)


class NewTokenAnswer(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """A token to hand to one page. `ttl` is how many seconds it lives unused."""

    token: Token
    ttl: int


class RevokedTokens(Request, frozen=True, kw_only=True):
    """Tokens that shall give nothing any more."""

    tokens: Tokens


class RevokedAnswer(Answer, frozen=True, kw_only=True):
    """How many nodes were told; each ends its sessions of these tokens."""

    nodes: int


async def create(services: ApiServices, call: Call[Nothing, NewToken]) -> NewTokenAnswer:
    body = call.body
    channels = listed(body.channels)
    if CONTROL_CHANNEL in channels:
        raise Problem(codes.RESERVED_CHANNEL, f"channel {CONTROL_CHANNEL!r} is Hornet's own")
    if not channels and body.user is None:
        raise Problem(codes.INVALID_REQUEST, "a token has a channel or a user - at `$`")
    user = None if body.user is None else str(body.user)
    grant = Grant(user, body.info, tuple(channels), tuple(body.publish))
    try:
        check_token_channels(channels)
        token = await services.backend.create_token(grant, body.ttl)
    except ValueError as error:
        raise Problem(codes.INVALID_REQUEST, str(error)) from None
    return NewTokenAnswer(token=token, ttl=body.ttl)


async def revoke(services: ApiServices, call: Call[Nothing, RevokedTokens]) -> RevokedAnswer:
    return RevokedAnswer(nodes=await services.backend.revoke_tokens(listed(call.body.tokens)))


OPERATIONS = (
    Operation(
        name="createToken",
        method="POST",
        path="/api/tokens",
        right=Right.MANAGE,
        summary="Make a one-time token",
        handler=create,
        answer=NewTokenAnswer,
        body=NewToken,
        status=201,
        refusals=(codes.RESERVED_CHANNEL,),
    ),
    Operation(
        name="revokeTokens",
        method="POST",
        path="/api/tokens/revoke",
        right=Right.MANAGE,
        summary="Kill tokens, and end the sessions that came with them",
        handler=revoke,
        answer=RevokedAnswer,
        body=RevokedTokens,
    ),
)
