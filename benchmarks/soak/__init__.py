"""A server under all kinds of load at once, for some time: ``python -m benchmarks.soak --minutes 15``.

Well-behaved clients come and go, a backend publishes without pause, Redis is killed once a minute, and
abusive clients attack the server. At the end, no well-behaved client may have missed a message.

    __main__ ─▶ run ─▶ environment            the processes of the run: Valkey and the server
                  ├──▶ backend                makes tokens and publishes
                  ├──▶ expected_deliveries    compares the messages that clients received with those published
                  ├──▶ well_behaved_client    clients that must receive every message
                  └──▶ abusive_client         clients that attack
"""
