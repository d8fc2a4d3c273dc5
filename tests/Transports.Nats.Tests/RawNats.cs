using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Postrider.Transports.Nats.Tests;

/// <summary>A client of NATS in a few lines over a socket, as the description of its protocol has it: no library that could hide or mend anything.</summary>
internal sealed class RawNats : IDisposable
{
    private readonly TcpClient _socket = new();
    private readonly string _inbox = "_INBOX." + Guid.NewGuid().ToString("N");
    private Stream _stream = Stream.Null;

    public static async Task<RawNats> ConnectAsync(string url)
    {
        var (address, raw) = (new Uri(url), new RawNats());
        var user = address.UserInfo.Split(':');
        await raw._socket.ConnectAsync(address.Host, address.Port, Server.Deadline);
        raw._stream = raw._socket.GetStream();
        Assert.StartsWith("INFO ", await raw.LineAsync(), StringComparison.Ordinal);
        var login = JsonSerializer.Serialize(new { user = user[0], pass = user[1], verbose = false, headers = true, no_responders = true });
        await raw.WriteAsync($"CONNECT {login}\r\nSUB {raw._inbox} 1\r\n");
        return raw;
    }

    /// <summary>Publishes with a reply subject, and returns what comes there.</summary>
    public async Task<RawMessage> RequestAsync(string subject, string body, params (string Name, string Value)[] headers)
    {
        var lines = headers.Length == 0 ? "" : "NATS/1.0\r\n" + string.Concat(headers.Select(static one => $"{one.Name}: {one.Value}\r\n")) + "\r\n";
        var (headerBytes, all) = (Encoding.UTF8.GetByteCount(lines), Encoding.UTF8.GetByteCount(lines + body));
        await WriteAsync(
            (headerBytes == 0 ? $"PUB {subject} {_inbox} {all}\r\n" : string.Create(CultureInfo.InvariantCulture, $"HPUB {subject} {_inbox} {headerBytes} {all}\r\n"))
            + lines + body + "\r\n");
        while (true)
        {
            var words = (await LineAsync()).Split(' ');
            switch (words[0])
            {
                case "PING":
                    await WriteAsync("PONG\r\n");
                    break;
                case "MSG" or "HMSG":
                    // MSG subject sid [reply] bytes; HMSG has the bytes of the headers before that.
                    var withHeaders = words[0] == "HMSG";
                    var content = await BytesAsync(int.Parse(words[^1], CultureInfo.InvariantCulture));
                    var split = withHeaders ? int.Parse(words[^2], CultureInfo.InvariantCulture) : 0;
                    await LineAsync();
                    return new(words.Length == (withHeaders ? 6 : 5) ? words[3] : null, Encoding.UTF8.GetString(content.AsSpan(0, split)), Encoding.UTF8.GetString(content.AsSpan(split)));
                case "-ERR":
                    throw new InvalidOperationException(string.Join(' ', words));
            }
        }
    }

    /// <summary>Publishes and waits until the server has it.</summary>
    public async Task PublishAsync(string subject, string body)
    {
        await WriteAsync($"PUB {subject} {Encoding.UTF8.GetByteCount(body)}\r\n{body}\r\nPING\r\n");
        Assert.Equal("PONG", await LineAsync());
    }

    /// <summary>The same with headers as they are given, down to the empty line after them.</summary>
    public async Task PublishAsync(string subject, string headers, string body)
    {
        var (headerBytes, all) = (Encoding.UTF8.GetByteCount(headers), Encoding.UTF8.GetByteCount(headers + body));
        await WriteAsync(string.Create(CultureInfo.InvariantCulture, $"HPUB {subject} {headerBytes} {all}\r\n") + headers + body + "\r\nPING\r\n");
        Assert.Equal("PONG", await LineAsync());
    }

    public void Dispose() => _socket.Dispose();

    private async Task WriteAsync(string text) => await _stream.WriteAsync(Encoding.UTF8.GetBytes(text), Server.Deadline);

    private async Task<string> LineAsync()
    {
        var line = new List<byte>();
        while (line is not [.., (byte)'\r', (byte)'\n'])
        {
            line.AddRange(await BytesAsync(1));
        }

        return Encoding.UTF8.GetString([.. line[..^2]]);
    }

    private async Task<byte[]> BytesAsync(int count)
    {
        var bytes = new byte[count];
        await _stream.ReadExactlyAsync(bytes, Server.Deadline);
        return bytes;
    }
}

/// <summary>What came.</summary>
internal sealed record RawMessage(string? Reply, string Headers, string Body);
