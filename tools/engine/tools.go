//go:build tools

// Package tools names what `make engine` builds. A module of its own, because the replacements in Pulumi's own go.mod
// forbid `go install` of a version; as a dependency they do not count.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
