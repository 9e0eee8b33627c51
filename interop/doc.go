// Package interop drives unmodified clients of other makers, and Parley's own,
// against a hub. Its files end in .test.mjs and run under Node:
//
//	npm ci
//	node --test *.test.mjs
//	node --test browser/*.test.mjs
//
// They start the demo server and the small server in testserver by
// themselves. What is Go here drives Parley's own clients.
package interop
