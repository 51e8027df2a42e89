"""What `bench/run` is made of: the machine, the tools, the servers, the load, the figures."""
