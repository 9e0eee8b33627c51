// Package wiretest holds the conformance kits of package wire: whoever writes a
// [wire.Protocol] or a [wire.Pipe] runs them in a test of its own, best with
// the race detector.
//
//	func TestProtocol(t *testing.T) { wiretest.TestProtocol(t, myprotocol{}) }
package wiretest
