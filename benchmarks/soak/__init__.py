"""A server under everything at once, for a while: ``python -m benchmarks.soak --minutes 15``.

Honest clients come and go, a backend publishes without pause, Redis is killed once a minute, and hostile
clients do what they can. At the end nothing may be missing.

    __main__ ─▶ run ─▶ stage      Valkey and server, as processes of the run's own
                  ├──▶ ledger     what was published and heard, and what is owed to whom
                  ├──▶ honest     clients that count on it
                  └──▶ hostile    clients that don't
"""
