// Talks to an echo with System.Net.WebSockets.ClientWebSocket, as Mono has it:
//
//   mono Client.exe URL
using System;
using System.Collections.Generic;
using System.Linq;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

static class Client {
	static readonly CancellationToken Patience = new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

	static int Main(string[] args) {
		try {
			WeClose(new Uri(args[0])).Wait();
			ServerCloses(new Uri(args[0])).Wait();
			return 0;
		} catch (Exception e) {
			Console.Error.WriteLine(e.GetBaseException());
			return 1;
		}
	}

	static async Task<ClientWebSocket> Connect(Uri url) {
		var ws = new ClientWebSocket();
		ws.Options.AddSubProtocol("other");
		ws.Options.AddSubProtocol("echo");
		ws.Options.SetRequestHeader("X-Who", "Mono");
		ws.Options.KeepAliveInterval = TimeSpan.FromMilliseconds(50); // pings or pongs nobody asked for
		await ws.ConnectAsync(url, Patience);
		Want("the subprotocol", ws.SubProtocol, "echo");
		return ws;
	}

	static async Task WeClose(Uri url) {
		var ws = await Connect(url);
		foreach (var text in new[] {"hello", "", "grüße, €, 𝄞", new string('x', 126), new string('y', 70000)}) {
			await Exchange(ws, Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, 1);
		}
		var bytes = Enumerable.Range(0, 100000).Select(i => (byte) (i * 7)).ToArray();
		await Exchange(ws, bytes, WebSocketMessageType.Binary, 1);
		await Exchange(ws, bytes, WebSocketMessageType.Binary, 7);
		await Exchange(ws, Encoding.UTF8.GetBytes("in pieces: €€€"), WebSocketMessageType.Text, 20);
		await Task.Delay(200, Patience); // some keep-alives
		await Exchange(ws, bytes, WebSocketMessageType.Binary, 1);
		await ws.CloseAsync((WebSocketCloseStatus) 4001, "bye", Patience);
		Want("the state", ws.State, WebSocketState.Closed);
		Want("the status", (int) ws.CloseStatus, 4001);
	}

	static async Task ServerCloses(Uri url) {
		var ws = await Connect(url);
		await Send(ws, Encoding.UTF8.GetBytes("close 4002 enough"), WebSocketMessageType.Text, 1);
		var result = await ws.ReceiveAsync(new ArraySegment<byte>(new byte[1000]), Patience);
		Want("what came", result.MessageType, WebSocketMessageType.Close);
		Want("the state", ws.State, WebSocketState.CloseReceived);
		Want("the status", (int) ws.CloseStatus, 4002);
		Want("the reason", ws.CloseStatusDescription, "enough");
		await ws.CloseAsync(WebSocketCloseStatus.NormalClosure, "", Patience);
		Want("the state after", ws.State, WebSocketState.Closed);
	}

	// Exchange sends a message in so many fragments, and wants it back.
	static async Task Exchange(ClientWebSocket ws, byte[] sent, WebSocketMessageType type, int fragments) {
		await Send(ws, sent, type, fragments);
		var got = new List<byte>();
		WebSocketReceiveResult result;
		var buffer = new ArraySegment<byte>(new byte[5000]);
		do {
			result = await ws.ReceiveAsync(buffer, Patience);
			Want("the type", result.MessageType, type);
			got.AddRange(buffer.Array.Take(result.Count));
		} while (!result.EndOfMessage);
		if (!got.SequenceEqual(sent)) {
			throw new Exception($"{type} of {sent.Length} bytes came back as {got.Count} others");
		}
	}

	static async Task Send(ClientWebSocket ws, byte[] data, WebSocketMessageType type, int fragments) {
		int at = 0;
		for (int i = 1; i <= fragments; i++) {
			int end = data.Length * i / fragments;
			await ws.SendAsync(new ArraySegment<byte>(data, at, end - at), type, i == fragments, Patience);
			at = end;
		}
	}

	static void Want<T>(string what, T got, T want) {
		if (!EqualityComparer<T>.Default.Equals(got, want)) {
			throw new Exception($"{what}: got {got}, want {want}");
		}
	}
}
