module github.com/parley-go/parley/bench

go 1.25.0

require github.com/parley-go/parley v0.0.0

replace github.com/parley-go/parley => ..
