"""The page: what people see in a browser, rendered here, with htmx where a part of it changes."""
