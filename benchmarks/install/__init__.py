"""The programs that only the benchmarks need. Each is built or installed once, into the cache folder."""
