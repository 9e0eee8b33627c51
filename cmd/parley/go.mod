module github.com/parley-go/parley/cmd/parley

go 1.25.0

require github.com/parley-go/parley v0.0.0

replace github.com/parley-go/parley => ../..

require (
	github.com/parley-go/parley/examples v0.0.0
	golang.org/x/tools v0.49.0
)

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/philhofer/fwd v1.2.0 // indirect
	github.com/tinylib/msgp v1.6.5 // indirect
	golang.org/x/mod v0.39.0 // indirect
	golang.org/x/sync v0.22.0 // indirect
)

replace github.com/parley-go/parley/examples => ../../examples
