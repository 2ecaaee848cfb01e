"""Clients that must miss nothing, while everything around them fails: ``python -m benchmarks.continuity``.

Stock Socket.IO clients that recover their sessions hear numbered messages through a balancer in front of
several nodes. Faults come in turns: networks of single clients, nodes, Redis. Each client must have each
number once and in order, or must have been told that it missed some.

    __main__ ─▶ run ─▶ servers        the processes: Redis, its Sentinel, the nodes
                  ├──▶ balancer       stands between clients and nodes, and cuts the network of single clients
                  ├──▶ redis_proxy    stands between a node and Redis, and cuts or deafens its subscription
                  ├──▶ clients        the Node process with the clients (clients.mjs), and their tokens
                  ├──▶ publishing     publishes the numbers
                  ├──▶ faults         causes the faults, one after the other
                  └──▶ ledger         compares what clients received with what was published
"""
