"""Everything the benchmarks need and Hornet does not: built or installed once, into the cache folder."""
