"""What goes in and out over HTTP: fields, limits, examples, a file for each subject of `api/`. The OpenAPI is made from
these. Moments are ISO 8601 in UTC."""
