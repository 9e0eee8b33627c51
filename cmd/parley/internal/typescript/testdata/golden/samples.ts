// What the hub writes, written by TestSamples.

import type * as all from "./everything.js";

export const signalr0: all.SignalR.Everything = {"id":1,"v":2,"name":"quiet","inSmall":0,"tagged":{"inSmall":0},"hidden":3,"bool":true,"int":1099511627776,"text":"5","float":1.5,"string":"</script>","time":"1970-01-01T00:00:00Z","zero":"1970-01-01T00:00:01Z","never":"0001-01-01T00:00:00Z","duration":1000000000,"pointer":"text","twice":7,"slice":[1],"maybe":[2],"pointers":[null,"text"],"array":[true,false],"map":{"a":1},"numbers":{"5":null,"6":["x"]},"addresses":{"::1":true},"colors":{"red":true},"any":[1,"a",null],"error":null,"rawMessage":{"a":[1]},"raw":"raw","number":12.50,"address":"10.0.0.1","big":99,"own":{"own":true},"odd":[0],"odds":[3],"inline":{"x":0,"y":0,"z":{"deep":true}},"empty":{},"other":{"name":"other","when":"1970-01-01T00:00:02Z"},"color":"blue","item":{"name":"n","urlValue":0,"id":"id","with-dash":"d","-":"-"},"either":{"a":"a","b":[{"name":"","urlValue":0,"id":"","with-dash":"","-":""}]}};
export const socketio0: all.SocketIO.Everything = {"ID":1,"v":2,"Name":"quiet","InSmall":0,"tagged":{"InSmall":0},"Hidden":3,"Bool":true,"Int":1099511627776,"Text":"5","Float":1.5,"String":"\u003c/script\u003e","Time":"1970-01-01T00:00:00Z","Zero":"1970-01-01T00:00:01Z","Never":"0001-01-01T00:00:00Z","Duration":1000000000,"Pointer":"text","Twice":7,"Slice":[1],"maybe":[2],"pointers":[null,"text"],"Array":[true,false],"Map":{"a":1},"Numbers":{"5":null,"6":["x"]},"Addresses":{"::1":true},"Colors":{"red":true},"Any":[1,"a",null],"Error":null,"RawMessage":{"a":[1]},"raw":"raw","Number":12.50,"Address":"10.0.0.1","Big":99,"Own":{"own":true},"Odd":[0],"Odds":[3],"Inline":{"X":0,"Y":0,"Z":{"Deep":true}},"Empty":{},"Other":{"name":"other","When":"1970-01-01T00:00:02Z"},"Color":"blue","Item":{"Name":"n","URLValue":0,"id":"id","with-dash":"d","-":"-"},"Either":{"A":"a","B":[{"Name":"","URLValue":0,"id":"","with-dash":"","-":""}]}};
export const signalr1: all.SignalR.Everything = {"id":0,"v":0,"inSmall":0,"tagged":{"inSmall":0},"hidden":0,"bool":false,"int":0,"text":"0","float":0,"string":"","time":"0001-01-01T00:00:00Z","never":"0001-01-01T00:00:00Z","duration":0,"pointer":null,"twice":null,"slice":null,"array":[false,false],"map":null,"numbers":null,"addresses":null,"colors":null,"any":null,"error":null,"rawMessage":null,"number":0,"address":"","big":null,"own":{"own":true},"odd":[0],"inline":{"x":0,"y":0,"z":null},"empty":{},"other":{"name":"","when":"0001-01-01T00:00:00Z"},"color":"red","item":null,"either":{"a":"","b":null}};
export const socketio1: all.SocketIO.Everything = {"ID":0,"v":0,"InSmall":0,"tagged":{"InSmall":0},"Hidden":0,"Bool":false,"Int":0,"Text":"0","Float":0,"String":"","Time":"0001-01-01T00:00:00Z","Never":"0001-01-01T00:00:00Z","Duration":0,"Pointer":null,"Twice":null,"Slice":null,"Array":[false,false],"Map":null,"Numbers":null,"Addresses":null,"Colors":null,"Any":null,"Error":null,"RawMessage":null,"Number":0,"Address":"","Big":null,"Own":{"own":true},"Odd":[0],"Inline":{"X":0,"Y":0,"Z":null},"Empty":{},"Other":{"name":"","When":"0001-01-01T00:00:00Z"},"Color":"red","Item":null,"Either":{"A":"","B":null}};
export const signalr2: all.SignalR.Item = {"name":"n","urlValue":0,"id":"id","with-dash":"d","-":"-"};
export const socketio2: all.SocketIO.Item = {"Name":"n","URLValue":0,"id":"id","with-dash":"d","-":"-"};
export const signalr3: all.SignalR.PagedOfItem = {"items":[{"name":"a","urlValue":0,"id":"","with-dash":"","-":""}],"next":{"name":"","urlValue":0,"id":"","with-dash":"","-":""},"more":true};
export const socketio3: all.SocketIO.PagedOfItem = {"items":[{"Name":"a","URLValue":0,"id":"","with-dash":"","-":""}],"next":{"Name":"","URLValue":0,"id":"","with-dash":"","-":""},"more":true};
export const signalr4: all.SignalR.PagedOfItem = {"items":null,"more":false};
export const socketio4: all.SocketIO.PagedOfItem = {"items":null,"more":false};
export const signalr5: all.SignalR.BothOfIntAndItem = {"a":1,"b":null};
export const socketio5: all.SocketIO.BothOfIntAndItem = {"A":1,"B":null};
export const signalr6: all.SignalR.Node = {"value":"v","left":{"value":"","left":null},"kids":[{"value":"","left":null}],"named":{"nil":null}};
export const socketio6: all.SocketIO.Node = {"Value":"v","Left":{"Value":"","Left":null},"Kids":[{"Value":"","Left":null}],"Named":{"nil":null}};
export const signalr7: all.Forest = [[],null,[[]]];
export const socketio7: all.Forest = [[],null,[[]]];
export const signalr8: all.SignalR.Choice = {"state":"open","states":["closed"],"by":{"open":1},"level":3,"color":"blue"};
export const socketio8: all.SocketIO.Choice = {"State":"open","States":["closed"],"By":{"open":1},"Level":3,"Color":"blue"};
export const signalr9: all.SignalR.Choice = {"state":"open","states":null,"by":null,"level":0,"color":"violet"};
export const socketio9: all.SocketIO.Choice = {"State":"open","States":null,"By":null,"Level":0,"Color":"violet"};
export const signalr10: all.SignalR.Blob = {"data":null,"sums":[1,2,3,4],"parts":null};
export const socketio10: all.SocketIO.Blob = {"Data":null,"Sums":[1,2,3,4],"Parts":null};
export const signalr11: all.SignalR.EverythingPromise = {"kept":true};
export const socketio11: all.SocketIO.EverythingPromise = {"Kept":true};
export const bytes: all.SignalR.Blob = {"data":"ZGF0YQ==","maybe":"bWF5YmU=","sums":[0,0,0,0],"parts":[null,"AQ=="]};
