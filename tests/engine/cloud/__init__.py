"""An AWS account that lives in a process, stricter than moto where AWS is, with faults planted by file."""
