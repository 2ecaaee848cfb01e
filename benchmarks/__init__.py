"""Hornet and its peers under the same load, side by side: ``python -m benchmarks``.

    cli ─▶ peers ─▶ install                          what runs, and how it gets into the cache folder
     └───▶ suite ─▶ scenarios ─▶ environment ─▶ server, generator, publisher (processes on their own cores)
              └───▶ results ─▶ table                 medians, Markdown, JSON

Everything talks on loopback, is bounded in time and ends with the command. docs/topics/performance.md
says how to read the figures.
"""
