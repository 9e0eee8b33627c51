// The table of everything that the classic client is seen to do against a hub. Each row has a name, a function run of a
// World, and says where it has a meaning: since and until (the client's version), transports, where (node or browser). Rows
// marked waits take their time and have nothing to do meanwhile; those marked pages, too, first open pages of their own.

import { calls } from './calls.mjs'
import { connecting } from './connecting.mjs'
import { ends } from './ends.mjs'
import { fallback } from './fallback.mjs'
import { groups } from './groups.mjs'
import { persistent } from './persistent.mjs'
import { proxies } from './proxies.mjs'
import { redirects } from './redirects.mjs'
import { returns } from './returns.mjs'

export const scenarios = [connecting, proxies, calls, groups, persistent, redirects, fallback, returns, ends].flat()
