"""Hornet and its peers under the same load, side by side: ``python -m benchmarks``.

    cli ─▶ peers ─▶ install                          the servers, and their installation in the cache folder
     └───▶ suite ─▶ scenarios ─▶ environment ─▶ server, generator, publisher (processes on their own cores)
              └───▶ results ─▶ table                 medians, Markdown, JSON

All traffic stays on loopback, each step is bounded in time, and all processes end with the command.
docs/topics/performance.md says how to read the figures.
"""
