// The table of everything that @microsoft/signalr is seen to do against a hub. Each row has a name, a function run
// of a World, and says where it has a meaning: since (the client's major version), transports, protocols, where
// (node or browser), unless. Rows marked core are those that older clients play, too.

import { answers } from './answers.mjs'
import { calls } from './calls.mjs'
import { connecting } from './connecting.mjs'
import { ends } from './ends.mjs'
import { groups } from './groups.mjs'
import { identity } from './identity.mjs'
import { order } from './order.mjs'
import { streams } from './streams.mjs'
import { uploads } from './uploads.mjs'


export const scenarios = [connecting, calls, answers, streams, uploads, groups, order, identity, ends].flat()
