"""What every request passes: envelope, proxy, authentication, limits, cookies."""
