"""What runs on the far side of the wall: sent to the zygote as code, so it may use only the standard library."""
