// Package protocols measures Parley's protocols on a hub side by side with the
// bare engine and other packages, in one process:
//
//	go test -run '^$' -bench . ./bench/protocols
//
// Client and server share the processor here. The table in docs/benchmarks.md
// comes from the rig in cmd/bench, which measures the server alone.
package protocols
