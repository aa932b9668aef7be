"""What is done on the host: cloud-init, steps over SSH, the reverse proxy, the pipeline."""
