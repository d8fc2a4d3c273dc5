using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postrider.Core.Consuming;
using Postrider.Core.Decoding;
using Postrider.Core.Diagnostics;
using Postrider.Core.Serialization;
using Postrider.Core.Supervision;
using Postrider.Core.Transport;

namespace Postrider.Core.Hosting;

/// <summary>Messaging's life in the host: checks the registration at start, reaches the broker in the background, drains at stop.</summary>
internal sealed class MessagingHostedService(
    MessagingRegistration registration, IServiceProvider services, IServiceScopeFactory scopes, MessagingOptions options, Serializers serializers,
    MessagingStatus status, Telemetry telemetry, TimeProvider time, ILoggerFactory loggers) : IHostedService, IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    private readonly ILogger _logger = new SafeLogger(loggers.CreateLogger("Postrider"));
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;
    private ExceptionReports? _reports;

    /// <exception cref="MessagingConfigurationException">The registration is wrong.</exception>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        registration.CheckOptions();
        var topology = registration.BuildTopology();
        var queues = registration.BuildQueues(serializers);
        var transport = services.GetRequiredService<ITransport>();
        foreach (var queue in queues)
        {
            status.Set(queue.Name, QueueState.Starting);
        }

        if (registration.ChosenTransport is null && registration.ConfiguredTransport is null)
        {
            _logger.NoTransportChosen();
        }

        foreach (var consumer in registration.Consumers)
        {
            if (consumer.Options.Retry.All().Any(static policy => policy.OnExhausted == ExhaustedMessage.Discard))
            {
                _logger.DiscardsExhausted(consumer.Name, consumer.Queue);
            }
        }

        _reports = new([.. registration.ExceptionReporters.Select(create => create(services))], telemetry, time, _logger);
        status.IsStarted = true;

        // Whoever starts the host must not become the parent of every message's trace.
        using (ExecutionContext.SuppressFlow())
        {
            _reports.Start();
            _running = Task.Run(() => RunAsync(transport, topology, queues, _reports), CancellationToken.None);
        }

        return Task.CompletedTask;
    }

    /// <summary>Drains, for at most the drain timeout and a little more; the host's own token only ends the waiting.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_reports is { } reports)
        {
            await reports.DisposeAsync().ConfigureAwait(false);
        }
    }

    public void Dispose() => _stop.Dispose();

    private async Task RunAsync(ITransport transport, Topology topology, IReadOnlyList<ConsumerQueue> queues, ExceptionReports reports)
    {
        try
        {
            await DeclareAsync(transport, topology).ConfigureAwait(false);
            var decoders = new Decoders(registration.Decoders);
            var supervisors = new Task[queues.Count];
            for (var i = 0; i < supervisors.Length; i++)
            {
                var queue = queues[i];
                var handler = new DeliveryHandler(
                    queue, transport.Capabilities.System, options.MaxBodyBytes, decoders, scopes, telemetry, reports, time, _logger);
                var supervisor = new QueueSupervisor(transport, topology, queue, handler, options, status, scopes, telemetry, reports, time, _logger);
                supervisors[i] = Task.Run(() => StopHostIfFatalAsync(supervisor.RunAsync(_stop.Token)), CancellationToken.None);
            }

            await Task.WhenAll(supervisors).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            status.SetFailed(new TransportException("The host was stopped before the broker was reached.", TransportError.Unavailable, status.Error));
        }
        catch (TransportException e)
        {
            StopHost(e);
        }
        catch (Exception e)
        {
            StopHost(new TransportException($"Messaging could not start: {e.Message}", TransportError.Other, e));
        }
    }

    private async Task DeclareAsync(ITransport transport, Topology topology)
    {
        var backoff = new Backoff(FirstPause, LongestPause);
        var started = time.GetTimestamp();
        while (true)
        {
            try
            {
                await transport.DeclareAsync(topology, _stop.Token).ConfigureAwait(false);
                _logger.Started(options.Application ?? "", transport.Capabilities.System, topology.Queues.Count, topology.Bindings.Count);
                LogEmulated(transport.Capabilities);
                status.SetReady();
                return;
            }
            catch (TransportException e) when (e.IsTransient)
            {
                status.Error = e;
                var pause = backoff.Next();
                if (options.FailFastAfter is { } limit && time.GetElapsedTime(started) + pause > limit)
                {
                    throw;
                }

                _logger.BrokerUnavailable(pause, e.Message);
                await Task.Delay(pause, time, _stop.Token).ConfigureAwait(false);
            }
        }
    }

    private void LogEmulated(TransportCapabilities abilities)
    {
        foreach (var (name, capability) in abilities.Named)
        {
            if (capability.Level == CapabilityLevel.Emulated)
            {
                _logger.Emulated(abilities.System, name, capability.How);
            }
        }
    }

    private async Task StopHostIfFatalAsync(Task supervisor)
    {
        try
        {
            await supervisor.ConfigureAwait(false);
        }
        catch (TransportException e)
        {
            StopHost(e);
        }
    }

    private void StopHost(TransportException error)
    {
        _logger.Fatal(error.ExitCode, error.Message);
        status.SetFailed(error);
        Environment.ExitCode = error.ExitCode;
        services.GetService<IHostApplicationLifetime>()?.StopApplication();
    }
}
