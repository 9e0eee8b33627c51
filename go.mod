module github.com/parley-go/parley

go 1.25.0

require (
	github.com/klauspost/compress v1.20.3
	github.com/tinylib/msgp v1.6.5
)

require github.com/philhofer/fwd v1.2.0 // indirect
