"""A server under everything at once, for a while: ``python -m benchmarks.soak --minutes 15``.

Well-behaved clients come and go, a backend publishes without pause, Redis is killed once a minute, and
abusive clients do what they can. At the end nothing may be missing.

    __main__ ─▶ run ─▶ environment            Valkey and server, as processes of the run's own
                  ├──▶ expected_deliveries    what was published and heard, and what is owed to whom
                  ├──▶ well_behaved_client    clients that count on it
                  └──▶ abusive_client         clients that don't
"""
