// Package classic lets the unmodified clients of ASP.NET SignalR 2 take part in a
// hub, the generation before ASP.NET Core: pages with jQuery and jquery.signalR,
// and .NET programs.
package classic
