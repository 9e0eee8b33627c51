// The table of everything that socket.io-client is seen to do against a hub. Each row has a name, a function run of a
// World, and says where it has a meaning: since a version of the client, until (before) one, ways to connect.

import { binary } from './binary.mjs'
import { connecting } from './connecting.mjs'
import { ends } from './ends.mjs'
import { names } from './names.mjs'
import { namespaces } from './namespaces.mjs'
import { order } from './order.mjs'
import { rooms } from './rooms.mjs'
import { values } from './values.mjs'

export const scenarios = [connecting, namespaces, values, binary, rooms, order, names, ends].flat()
