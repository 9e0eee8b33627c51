// Package silent has no contracts.
package silent

const Say = "say"
