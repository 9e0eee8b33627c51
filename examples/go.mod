module github.com/parley-go/parley/examples

go 1.25.0

require github.com/parley-go/parley v0.0.0

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/philhofer/fwd v1.2.0 // indirect
	github.com/tinylib/msgp v1.6.5 // indirect
)

replace github.com/parley-go/parley => ..
