module github.com/parley-go/parley/interop

go 1.25.0

ignore ./node_modules

require github.com/parley-go/parley v0.0.0

replace github.com/parley-go/parley => ..
