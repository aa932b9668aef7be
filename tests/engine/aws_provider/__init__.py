"""A provider for `aws:` that the real engine talks to, over boto3 against any endpoint. For tests only.

The real one (pulumi-aws, a bridge over terraform-provider-aws) cannot be built here. This one knows the types that the
program registers and refuses all others. What it copies of the real one, each with its source in the code: which
properties replace their resource, what a deletion does first, what is waited for, what an import reads. What it does
not copy: the bridge's wording, and properties that the program does not use.
"""
