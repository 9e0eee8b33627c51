module github.com/parley-go/parley

go 1.25.0

require github.com/klauspost/compress v1.20.3
