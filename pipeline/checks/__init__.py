"""The functions behind `python -m pipeline.validate`: does a deployment work, and if not, what is to be done?"""
