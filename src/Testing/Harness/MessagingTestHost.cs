using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;
using Postrider.Core.Transport;
using Postrider.Testing.Harness;

namespace Postrider.Testing;

/// <summary>
/// An application's messaging under test: its own registration, on a broker in memory and a clock that is moved by hand. Publish, await that everything which
/// follows has come to its end, and look at what was published, handled, retried and dead-lettered. Thread-safe; hosts share nothing, so tests may run side by side.
/// </summary>
/// <remarks>
/// Completion is known, not guessed: each copy of a message is counted from before its publish until it is acked, dead-lettered or discarded, and what its
/// handler publishes is counted before that. What a handler starts and does not await is not.
/// </remarks>
public sealed partial class MessagingTestHost : IAsyncDisposable
{
    private readonly TestSetup _setup;
    private ServiceProvider? _owned;

    internal MessagingTestHost(IServiceProvider services, TestSetup setup)
    {
        (Services, _setup) = (services, setup);
        _queues = new(() => setup.Registration.BuildQueues(services.GetRequiredService<Core.Serialization.Serializers>()).ToDictionary(static one => one.Name));
        setup.Tracker.TellsOfFailure = (queue, envelope) =>
            _queues.Value.TryGetValue(queue, out var consumers) && consumers.Find(envelope)?.OnFailed is not null;
    }

    /// <summary>The application's services.</summary>
    public IServiceProvider Services { get; }

    /// <summary>The application's bus.</summary>
    public IMessageBus Bus => Services.GetRequiredService<IMessageBus>();

    /// <summary>The dead letters of the application's queues.</summary>
    public IDeadLetters DeadLetters => Services.GetRequiredService<IDeadLetters>();

    /// <summary>The clock. Moving it by <see cref="AdvanceAsync"/> also awaits what that causes.</summary>
    /// <exception cref="InvalidOperationException">With <see cref="MessagingTestOptions.KeepTransport"/> time is real.</exception>
    public FakeTimeProvider Time => _setup.FakeTime ?? throw new InvalidOperationException("A transport that is kept has the broker's time, which cannot be moved.");

    /// <summary>Makes things fail.</summary>
    public Chaos Chaos => _setup.Chaos;

    /// <summary>What the broker was told, for <see cref="Ledger.Check"/>.</summary>
    public Ledger Ledger => _setup.Ledger;

    /// <summary>Everything that happened, a line each: what failing assertions show.</summary>
    public string Timeline => _setup.Timeline.ToString();

    /// <summary>Starts an application's messaging for a test.</summary>
    /// <param name="register">The application's own registration.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <param name="cancellationToken">Ends the waiting for the broker.</param>
    /// <returns>The host, to be disposed of by the test.</returns>
    /// <exception cref="MessagingException">The registration is wrong, or the kept transport's broker refuses the host.</exception>
    public static async Task<MessagingTestHost> StartAsync(
        Action<IServiceCollection> register, MessagingTestOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(register);
        var services = new ServiceCollection();
        register(services);
        services.AddMessagingTestHost(options);
        var provider = services.BuildServiceProvider(validateScopes: true);
        var host = provider.GetRequiredService<MessagingTestHost>();
        host._owned = provider;
        try
        {
            foreach (var service in provider.GetServices<IHostedService>())
            {
                await service.StartAsync(cancellationToken).ConfigureAwait(false);
            }

            await provider.GetRequiredService<MessagingStatus>().Ready.WaitAsync(host.Patience, TimeProvider.System, cancellationToken).ConfigureAwait(false);
            return host;
        }
        catch (Exception)
        {
            await host.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Stops a host that was started here. One that an application has is stopped with the application.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _owned, null) is { } services)
        {
            foreach (var service in services.GetServices<IHostedService>().Reverse())
            {
                await service.StopAsync(CancellationToken.None).ConfigureAwait(false);
            }

            await services.DisposeAsync().ConfigureAwait(false);
        }
    }

    internal ITransport Watch(ITransport transport) => _setup.Wrap(transport);
}
