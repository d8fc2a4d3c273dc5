using System.Net;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using NATS.NKeys;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats;

/// <summary>The current connection for one purpose. Made when it is needed and not there; one attempt serves all who wait for it.</summary>
internal sealed class Links(NatsOptions options, Servers servers, TlsClient? tls, string purpose, ILogger log) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private Task<Link>? _current;
    private string[] _discovered = [];
    private bool _disposed;

    /// <summary>Hosts and ports, for messages.</summary>
    public string Where => servers.Where;

    /// <summary>For telemetry.</summary>
    public DnsEndPoint Server => servers.First;

    public NatsOptions Options => options;

    /// <summary>The connection, if there is one.</summary>
    public Link? Current => _current is { IsCompletedSuccessfully: true } done && done.GetAwaiter().GetResult() is { IsOpen: true } link ? link : null;

    /// <exception cref="TransportException">It cannot be made.</exception>
    public ValueTask<Link> GetAsync(string doing, CancellationToken cancellationToken) =>
        Current is { } link ? new(link) : WaitAsync(doing, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        Task<Link>? current;
        lock (_gate)
        {
            _disposed = true;
            current = _current;
        }

        if (current is not null)
        {
            try
            {
                await (await current.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
            }
            catch (Exception)
            {
                // It was never made, or is broken: nothing is left to close.
            }
        }
    }

    private async ValueTask<Link> WaitAsync(string doing, CancellationToken cancellationToken)
    {
        Task<Link> current;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(NatsTransport));
            if (_current is null || _current.IsFaulted || _current.IsCanceled || (_current.IsCompleted && Current is null))
            {
                _current = Task.Run(ConnectAsync, CancellationToken.None);
            }

            current = _current;
        }

        try
        {
            return await current.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            throw Failed(e, doing);
        }
    }

    public TransportException Failed(Exception error, string doing) =>
        tls?.WhyRefused(error) is { } why
            ? new($"Cannot {doing} on NATS at {Where}: its certificate is refused, as {why}. See TlsOptions, or renew the certificate.", TransportError.NotTrusted, error)
            : NatsErrors.Map(error, doing, Where);

    private async Task<Link> ConnectAsync()
    {
        var link = await Link.ConnectAsync(await SettingsAsync().ConfigureAwait(false), Where, options.CommandTimeout, log).ConfigureAwait(false);
        // Servers of a cluster tell of each other: should those that were named go, the others are tried too.
        _discovered = link.Server.ClientConnectUrls ?? [];
        log.Connected(purpose, Where, link.Server.Version);
        bool late;
        lock (_gate)
        {
            late = _disposed;
        }

        if (late)
        {
            await link.DisposeAsync().ConfigureAwait(false);
        }

        return link;
    }

    private async Task<NatsOpts> SettingsAsync()
    {
        var urls = servers.Urls;
        foreach (var found in _discovered)
        {
            var url = (servers.Tls ? "tls://" : "nats://") + found;
            urls = urls.Contains(url, StringComparison.Ordinal) ? urls : $"{urls},{url}";
        }

        return new NatsOpts
        {
            Url = urls,
            Name = $"{options.ApplicationName} {purpose}",
            AuthOpts = await LoginAsync().ConfigureAwait(false),
            TlsOpts = tls is null
                ? new()
                : new()
                {
                    Mode = TlsMode.Require,
                    ConfigureClientAuthentication = settings =>
                    {
                        tls.Apply(settings);
                        return default;
                    },
                },
            ConnectTimeout = options.ConnectTimeout,
            CommandTimeout = options.CommandTimeout,
            RequestTimeout = options.CommandTimeout,
            PublishTimeoutOnDisconnected = true,
            PingInterval = TimeSpan.FromSeconds(15),
            WriterBufferSize = 1024 * 1024,
        };
    }

    private async Task<NatsAuthOpts> LoginAsync()
    {
        if (options.CredentialsFile is { } credentials)
        {
            var text = await File.ReadAllTextAsync(credentials).ConfigureAwait(false);
            return text.Contains("BEGIN NATS USER JWT", StringComparison.Ordinal) && text.Contains("BEGIN USER NKEY SEED", StringComparison.Ordinal)
                ? new() { Creds = text }
                : throw new NKeysException("The credentials file does not hold a user's JWT and seed.");
        }

        var seed = options.NKeySeed ?? (options.NKeyFile is { } file ? SeedOf(await File.ReadAllLinesAsync(file).ConfigureAwait(false)) : null);
        if (seed is not null)
        {
            using var pair = KeyPair.FromSeed(seed);
            return new() { Seed = seed, NKey = pair.GetPublicKey() };
        }

        return options.Token is { } token ? new() { Token = token }
            : servers is { User: { } only, Password: null } ? new() { Token = only }
            : new() { Username = servers.User, Password = servers.Password };
    }

    private static string SeedOf(string[] lines)
    {
        foreach (var line in lines)
        {
            if (line.Trim() is ['S', 'U', ..] seed)
            {
                return seed;
            }
        }

        throw new NKeysException("The file holds no line with the seed of a user (SU…).");
    }
}
