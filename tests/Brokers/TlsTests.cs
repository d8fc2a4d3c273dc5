using Microsoft.Extensions.Logging;
using Postrider.Core.Transport;

namespace Postrider.Brokers;

/// <summary>
/// What TLS must do on every transport, on servers of its own with certificates of its own. A transport's tests derive from it and say how
/// its server is set up.
/// </summary>
public abstract class TlsTests
{
    private const string Address = "127.0.0.1";

    /// <summary>What the script calls the broker.</summary>
    protected abstract string Kind { get; }

    /// <summary>A server without TLS, or null if there is none.</summary>
    protected abstract string? PlainServer { get; }

    /// <summary>A connection string without TLS to anywhere; nobody connects by it.</summary>
    protected abstract string Sample { get; }

    /// <summary>Writes the settings of a server that speaks TLS only, with <c>server.pem</c> and <c>server.key</c>, and demands clients' certificates by <c>ca.pem</c>.</summary>
    protected abstract void Configure(DirectoryInfo folder);

    /// <summary>The connection string for TLS, by this host name, made from the plain one.</summary>
    protected abstract string Secure(string connectionString, string host);

    /// <summary>A transport.</summary>
    protected abstract ITransport Connect(string connectionString, TlsOptions? tls, ILoggerFactory loggers);

    /// <summary>For one test.</summary>
    protected static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    [Fact]
    public async Task Only_the_right_server_and_the_right_client_come_together()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        using var authority = new TestAuthority("right");
        using var stranger = new TestAuthority("right");
        var (client, wrongCa, strange) = (default((string Certificate, string Key)), "", default((string Certificate, string Key)));
        await using var server = await StartAsync(authority, expired: false, folder =>
        {
            client = authority.Issue(folder, "postrider");
            strange = stranger.Issue(folder, "stranger");
            wrongCa = stranger.Write(Path.Combine(folder, "wrong.pem"));
        });
        var good = new TlsOptions
        {
            CaCertificate = Path.Combine(server.Folder, "ca.pem"),
            ClientCertificate = client.Certificate,
            ClientKey = client.Key,
        };
        var here = Secure(server.ConnectionString, Address);

        await WorksAsync(here, good);
        await RefusesAsync(here, good with { CaCertificate = wrongCa }, "not valid");
        await RefusesAsync(here, good with { CaCertificate = null }, "not valid");
        await RefusesAsync(Secure(server.ConnectionString, "localhost"), good, "another host");
        await IsRefusedAsync(here, good with { ClientCertificate = null, ClientKey = null });
        await IsRefusedAsync(here, good with { ClientCertificate = strange.Certificate, ClientKey = strange.Key });

        var log = new ListLog();
        await WorksAsync(here, good with { CaCertificate = wrongCa, InsecureSkipVerification = true }, log);
        Assert.Single(log.Lines, static line => line.StartsWith("Warning INSECURE:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_expired_certificate_is_refused()
    {
        Assert.SkipUnless(PrivateBroker.IsAvailable, PrivateBroker.WhyNone);
        using var authority = new TestAuthority("right");
        var client = default((string Certificate, string Key));
        await using var server = await StartAsync(authority, expired: true, folder => client = authority.Issue(folder, "postrider"));

        await RefusesAsync(
            Secure(server.ConnectionString, Address),
            new() { CaCertificate = Path.Combine(server.Folder, "ca.pem"), ClientCertificate = client.Certificate, ClientKey = client.Key },
            "NotTimeValid");
    }

    [Fact]
    public async Task Who_asks_for_tls_gets_no_plain_text()
    {
        Assert.SkipWhen(string.IsNullOrEmpty(PlainServer), "no broker: run ./test.sh");
        await IsRefusedAsync(Secure(PlainServer!, Address), new() { InsecureSkipVerification = true });
    }

    [Fact]
    public void Files_that_cannot_be_used_are_named_at_once()
    {
        using var folder = new TemporaryFolder();
        var junk = Path.Combine(folder.Path, "junk.pem");
        File.WriteAllText(junk, "no certificate");
        var url = Secure(Sample, Address);

        foreach (var tls in (TlsOptions[])
        [
            new() { CaCertificate = junk }, new() { CaCertificate = junk + ".missing" }, new() { ClientCertificate = junk },
            new() { ClientKey = junk },
        ])
        {
            var error = Assert.Throws<MessagingConfigurationException>(() => Connect(url, tls, new ListLog()));
            Assert.Contains("TlsOptions.", error.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>Starts a server with a certificate of the authority, whose own is <c>ca.pem</c> in the folder.</summary>
    protected async Task<PrivateBroker> StartAsync(TestAuthority authority, bool expired, Action<string> prepare) =>
        await PrivateBroker.StartNewAsync(Kind, url => Connect(url, null, new ListLog()), folder =>
        {
            authority.Write(Path.Combine(folder.FullName, "ca.pem"));
            authority.Issue(folder.FullName, "server", Address, expired);
            Configure(folder);
            prepare(folder.FullName);
        });

    /// <summary>A message goes there and back.</summary>
    protected Task WorksAsync(string url, TlsOptions? tls) => WorksAsync(url, tls, new ListLog());

    private async Task WorksAsync(string url, TlsOptions? tls, ListLog log)
    {
        await using var transport = Connect(url, tls, log);
        var queue = $"tls-{Guid.NewGuid():n}";
        await transport.DeclareAsync(new([queue], []), Deadline);
        var results = new PublishResult[1];
        var message = new Envelope { Id = "1", Body = "secret"u8.ToArray() };
        await transport.PublishAsync(new OutgoingMessage[] { new(Destination.Queue(queue), message) }, results, Deadline);
        Assert.Equal(PublishStatus.Stored, results[0].Status);
        await using var receiver = await transport.OpenReceiverAsync(new() { Queue = queue }, Deadline);
        Assert.Equal("1", Assert.Single(await receiver.ReceiveAsync(1, Deadline)).Envelope.Id);
    }

    /// <summary>The client refuses the server, and says why.</summary>
    protected async Task RefusesAsync(string url, TlsOptions? tls, string why)
    {
        var error = await IsRefusedAsync(url, tls);
        Assert.Equal((TransportError.NotTrusted, true), (error.Reason, error.IsFatal));
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }

    private async Task<TransportException> IsRefusedAsync(string url, TlsOptions? tls)
    {
        await using var transport = Connect(url, tls, new ListLog());
        return await Assert.ThrowsAsync<TransportException>(() => transport.DeclareAsync(new([], []), Deadline).AsTask());
    }

    private sealed class TemporaryFolder : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("postrider-");

        public string Path => _folder.FullName;

        public void Dispose() => _folder.Delete(recursive: true);
    }

    private sealed class ListLog : ILoggerFactory, ILogger
    {
        private readonly List<string> _lines = [];

        public IReadOnlyList<string> Lines
        {
            get
            {
                lock (_lines)
                {
                    return [.. _lines];
                }
            }
        }

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public ILogger CreateLogger(string categoryName) => this;

        public void Dispose()
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (_lines)
            {
                _lines.Add($"{logLevel} {formatter(state, exception)}");
            }
        }
    }
}
