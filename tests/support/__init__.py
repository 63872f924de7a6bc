"""What tests share: independent checks, clocks, keyrings and tree builders; never imported by the program."""
