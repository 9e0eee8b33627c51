package classic

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parley-go/parley/internal/rawjson"
)

// proxied is one hub in the script of proxies.
type proxied struct {
	name    string   // as mounted
	methods []string // as registered
}

// proxyScript is what a page loads from /signalr/hubs: $.connection.chatHub with
// .client, for the page to fill with functions that the hub calls, and .server,
// with a function for each of its methods. base is the path of the endpoint.
//
// Hubs and methods have their names in camelCase, as those of a class have, and as they
// are mounted and registered, as those have that an attribute names.
//
// A page adds and takes away its functions with every start and stop; so the
// script registers them when the connection starts, and each under the page's own
// function, which is how jquery.signalR 2.4 finds it again.
func proxyScript(base string, hubs []proxied) []byte {
	dst := append([]byte(nil), proxyHead...)
	hubs = slices.Clone(hubs)
	slices.SortFunc(hubs, func(a, b proxied) int { return strings.Compare(a.name, b.name) })
	for _, hub := range hubs {
		dst = appendProxy(dst, hub)
	}
	dst = append(dst, proxyTail...)
	dst = appendQuoted(append(dst, "\n    signalR.hub = $.hubConnection("...), base)
	return append(dst, proxyEnd...)
}

func appendProxy(dst []byte, hub proxied) []byte {
	dst = appendQuoted(append(dst, "\n        add("...), camelCase(hub.name))
	dst = appendQuoted(append(dst, ", "...), hub.name)
	dst = append(dst, ", ["...)
	methods := slices.Sorted(slices.Values(hub.methods))
	var seen []string
	for _, method := range methods {
		key := camelCase(method)
		if slices.Contains(seen, key) {
			continue
		}
		if len(seen) > 0 {
			dst = append(dst, ", "...)
		}
		seen = append(seen, key)
		dst = appendQuoted(append(dst, '['), key)
		dst = append(appendQuoted(append(dst, ", "...), method), ']')
	}
	return append(dst, "]);"...)
}

// appendQuoted appends s as a string of JavaScript.
func appendQuoted(dst []byte, s string) []byte {
	return appendScript(dst, rawjson.AppendString(nil, s))
}

// camelCase is a name as ASP.NET SignalR shows it to JavaScript: each part between
// dots begins with a small letter. URLValue is uRLValue.
func camelCase(name string) string {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		r, size := utf8.DecodeRuneInString(part)
		if size > 0 && r != utf8.RuneError {
			parts[i] = string(unicode.ToLower(r)) + part[size:]
		}
	}
	return strings.Join(parts, ".")
}

const proxyHead = `/* The hubs of this server, for jquery.signalR. */
(function ($) {
    "use strict";

    if (!$ || typeof $.signalR !== "function") {
        throw new Error("SignalR: SignalR is not loaded. Please load jQuery and jquery.signalR before this script.");
    }

    var signalR = $.signalR;

    function receiver(hub, fn) {
        return function () { return fn.apply(hub, arguments); };
    }

    function caller(hub, method) {
        return function () {
            return hub.invoke.apply(hub, [method].concat([].slice.call(arguments)));
        };
    }

    function eachClientFunction(hubs, act) {
        $.each(hubs, function (_, hub) {
            $.each(hub.client, function (name, fn) {
                if (typeof fn === "function") {
                    act(hub, name, fn);
                }
            });
        });
    }

    $.hubConnection.prototype.createHubProxies = function () {
        var connection = this, hubs = [], proxies = {};

        function add(name, declared, methods) {
            var hub = connection.createHubProxy(name);
            hub.client = {};
            hub.server = {};
            $.each(methods, function (_, m) { hub.server[m[0]] = hub.server[m[1]] = caller(hub, m[1]); });
            proxies[name] = proxies[declared] = hub;
            hubs.push(hub);
        }

        connection.starting(function () {
            eachClientFunction(hubs, function (hub, name, fn) { hub.on(name, receiver(hub, fn), fn); });
            connection._registerSubscribedHubs();
        }).disconnected(function () {
            eachClientFunction(hubs, function (hub, name, fn) { hub.off(name, receiver(hub, fn), fn); });
        });
`

const proxyTail = `

        return proxies;
    };
`

const proxyEnd = `, { useDefaultPath: false });
    $.extend(signalR, signalR.hub.createHubProxies());
}(window.jQuery));
`

// disabledScript is in place of it where there are to be no proxies.
func disabledScript() []byte {
	return []byte("throw new Error(\"SignalR: JavaScript Hub proxy generation has been disabled. Use $.hubConnection() and createHubProxy().\");\n")
}
