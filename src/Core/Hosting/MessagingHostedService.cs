using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Postrider.Core.Consuming;
using Postrider.Core.Decoding;
using Postrider.Core.Diagnostics;
using Postrider.Core.FlowControl;
using Postrider.Core.Requests;
using Postrider.Core.Serialization;
using Postrider.Core.Stats;
using Postrider.Core.Supervision;
using Postrider.Core.Transport;

namespace Postrider.Core.Hosting;

/// <summary>Messaging's life in the host: checks the registration at start, reaches the brokers in the background, drains at stop.</summary>
internal sealed class MessagingHostedService(
    MessagingRegistration registration, TransportFactory factory, TransportSet transports, IServiceProvider services, IServiceScopeFactory scopes,
    MessagingOptions options, HostState state, IQueueControl control, QueueMarks marks, HostIdentity self, BodyTransforms transforms, StatsLoop stats, Telemetry telemetry, Observers observers,
    TimeProvider time, ILoggerFactory loggers) : IHostedService, IDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    private readonly ILogger _logger = new SafeLogger(loggers.CreateLogger("Postrider"));
    private readonly Decoders _decoders = new(registration.Decoders);
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;
    private ExceptionReports? _reports;
    private Membership? _membership;
    private Lifecycle? _lifecycle;

    /// <exception cref="MessagingConfigurationException">The registration is wrong.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        Membership.Check(state, transports);
        observers.Add(new MessagingStarted());
        foreach (var transport in transports.All)
        {
            transport.Status.IsStarted = true;
            foreach (var queue in transport.Consumed)
            {
                transport.Status.Set(queue.Name, QueueState.Starting);
            }
        }

        if (factory.NobodyChose)
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

        foreach (var transport in transports.All)
        {
            WarnOfMapped(transport);
        }

        // Without a host nobody stops waiting.
        if (services.GetService<IHostApplicationLifetime>() is not null && services.GetService<IOptions<HostOptions>>()?.Value.ShutdownTimeout is { } patience
            && patience <= options.DrainTimeout + ConsumerPump.AfterDrain)
        {
            _logger.ShutdownTooShort(patience, options.DrainTimeout, ConsumerPump.AfterDrain);
        }

        IReadOnlyList<ILifecycleHook> hooks = [.. registration.Hooks.Values.Select(create => create(services))];
        IEnumerable<IExceptionReporter> reporters = registration.ExceptionReporters.Values.Select(create => create(services));
        var reports = _reports = new([.. reporters, .. hooks.Select(static hook => new WorkerErrors(hook))], telemetry, time, _logger);
        var lifecycle = _lifecycle = new(hooks, transports.Pools.PoolsOf(registration.Consumers), transports.All.Count, options.HookTimeout, reports, time, _logger);

        // Whoever starts the host must not become the parent of every message's trace.
        using (ExecutionContext.SuppressFlow())
        {
            reports.Start();
            observers.Start();
        }

        await lifecycle.BeforeStartAsync(cancellationToken).ConfigureAwait(false);
        using (ExecutionContext.SuppressFlow())
        {
            stats.Start();
            var membership = _membership = new(state, control, marks, self, transports, options, observers, _logger);
            _running = Task.WhenAll(transports.All.Select(transport => Task.Run(() => RunAsync(transport, lifecycle, reports, membership), CancellationToken.None)));
        }
    }

    /// <summary>Drains, for at most the drain timeout and a little more; the host's own token only ends the waiting.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await (_lifecycle?.BeforeStopAsync(cancellationToken) ?? Task.CompletedTask).ConfigureAwait(false);
        try
        {
            await _stop.CancelAsync().ConfigureAwait(false);
        }
        catch (ObjectDisposedException)
        {
            // A host that stops itself when it is told to, and is stopped by its owner too (WebApplicationFactory), may have ended already.
            return;
        }

        await _running.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        // Once, however often it is stopped.
        if (Interlocked.Exchange(ref _membership, null) is { } membership)
        {
            await membership.DisposeAsync().ConfigureAwait(false);
        }

        // Last, as running handlers may have been waiting for answers.
        await Task.WhenAll(transports.All.Select(static transport => transport.Replies.DisposeAsync().AsTask())).ConfigureAwait(false);
        await stats.StopAsync(cancellationToken).ConfigureAwait(false);
        await (_lifecycle?.AfterStopAsync(cancellationToken) ?? Task.CompletedTask).ConfigureAwait(false);
        observers.Add(new MessagingStopped());
        await observers.DisposeAsync().ConfigureAwait(false);
        if (_reports is { } reports)
        {
            await reports.DisposeAsync().ConfigureAwait(false);
        }
    }

    public void Dispose() => _stop.Dispose();

    /// <summary>Somebody may still publish the topic by other ways, so it is no error.</summary>
    private void WarnOfMapped(NamedTransport named)
    {
        foreach (var (topic, target) in named.MappedTopics)
        {
            foreach (var binding in named.Topology.Bindings.Where(binding => TopicPattern.Matches(binding.Pattern, topic)))
            {
                _logger.BoundToMapped(binding.Queue, binding.Pattern, named.Name, topic, target);
            }
        }
    }

    private async Task RunAsync(NamedTransport named, Lifecycle lifecycle, ExceptionReports reports, Membership membership)
    {
        var hasBegun = false;

        // With several transports, the category tells of which one a line is.
        var logger = transports.All.Count == 1 ? _logger : new SafeLogger(loggers.CreateLogger($"Postrider.{named.Name}"));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        try
        {
            await DeclareAsync(named, reports, logger).ConfigureAwait(false);
            var (queues, templates) = (named.Consumed.ToList(), named.Templates);
            await lifecycle.BeforeQueuesAsync(queues.Concat(templates.Select(static one => one.Pattern)), stop.Token).ConfigureAwait(false);
            var running = queues
                .Select(queue => Task.Run(() => ConsumeAsync(named, queue, lifecycle, reports, membership, logger, stop), CancellationToken.None)).ToList();
            if (templates.Count > 0)
            {
                var finder = new QueueFinder(
                    named, (queue, finder, token) => Supervise(named, queue, finder, reports, membership, logger).RunAsync(token), reports, options.FindQueuesInterval, time, logger);
                running.Add(Task.Run(() => FindAsync(finder, templates, lifecycle, stop.Token), CancellationToken.None));
            }

            if (named.Status.Drain is not null)
            {
                running.Add(new DrainWatch(named, time, logger).RunAsync(stop.Token));
            }

            hasBegun = true;
            await lifecycle.AfterTransportAsync(hasBegun, stop.Token).ConfigureAwait(false);
            await Task.WhenAll(running).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested || stop.IsCancellationRequested)
        {
            // What is linked is cancelled a moment later than what it is linked to.
            EndUnbegun(named, QueueState.Stopped);
            if (!named.Status.Ready.IsCompleted)
            {
                named.Status.SetFailed(
                    new TransportException("The host was stopped before the broker was reached.", TransportError.Unavailable, named.Status.Error));
            }
        }
        catch (TransportException e)
        {
            EndUnbegun(named, QueueState.Faulted);
            GiveUp(named, e, logger);
        }
        catch (Exception e)
        {
            EndUnbegun(named, QueueState.Faulted);
            GiveUp(named, new TransportException($"Messaging could not start: {e.Message}", TransportError.Other, e), logger);
        }
        finally
        {
            if (!hasBegun)
            {
                await lifecycle.AfterTransportAsync(hasBegun, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Those that have got no further than the start; the others have a supervisor that tells of them.</summary>
    private static void EndUnbegun(NamedTransport named, QueueState state)
    {
        foreach (var queue in named.Consumed.Where(queue => named.Status.Queues.TryGetValue(queue.Name, out var known) && known == QueueState.Starting))
        {
            named.Status.Set(queue.Name, state);
        }
    }

    private async Task DeclareAsync(NamedTransport named, ExceptionReports reports, ILogger logger)
    {
        var (transport, topology, status) = (named.Transport, named.Topology, named.Status);
        var backoff = new Backoff(FirstPause, LongestPause);
        var started = time.GetTimestamp();
        while (true)
        {
            try
            {
                await transport.DeclareAsync(topology, _stop.Token).ConfigureAwait(false);
                logger.Started(options.Application ?? "", transport.Capabilities.System, topology.Queues.Count, topology.Bindings.Count);
                LogEmulated(transport.Capabilities, logger);
                status.SetReady();
                return;
            }
            catch (TransportException e) when (e.IsTransient)
            {
                status.Error = e;
                var pause = backoff.Next();
                if (options.FailFastAfter is { } limit && time.GetElapsedTime(started) + pause > limit && !IsAnyReady)
                {
                    throw;
                }

                logger.BrokerUnavailable(pause, e.Message);
                reports.Add(new(e, "connect", null));
                await Task.Delay(pause, time, _stop.Token).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Runs until stopped, or until waiting cannot help any more, which is the end of all queues of this transport.</summary>
    private async Task ConsumeAsync(
        NamedTransport named, ConsumerQueue queue, Lifecycle lifecycle, ExceptionReports reports, Membership membership, ILogger logger, CancellationTokenSource stop)
    {
        try
        {
            await Supervise(named, queue, null, reports, membership, logger).RunAsync(stop.Token).ConfigureAwait(false);
        }
        catch (TransportException e)
        {
            named.Status.Set(queue.Name, QueueState.Faulted);
            GiveUp(named, e, logger);
            await stop.CancelAsync().ConfigureAwait(false);
        }
        finally
        {
            await lifecycle.AfterQueueAsync(queue).ConfigureAwait(false);
        }
    }

    private static async Task FindAsync(QueueFinder finder, IReadOnlyList<QueueTemplate> templates, Lifecycle lifecycle, CancellationToken stop)
    {
        try
        {
            await finder.RunAsync(stop).ConfigureAwait(false);
        }
        finally
        {
            foreach (var template in templates)
            {
                await lifecycle.AfterQueueAsync(template.Pattern).ConfigureAwait(false);
            }
        }
    }

    private QueueSupervisor Supervise(NamedTransport named, ConsumerQueue queue, QueueFinder? finder, ExceptionReports reports, Membership membership, ILogger logger)
    {
        var circuit = membership.CircuitOf(queue, logger);
        var handler = new DeliveryHandler(
            queue, named.Name, new(named.Transport), options.MaxBodyBytes, transforms, _decoders, scopes, telemetry, reports,
            new FaultReplies(named.Publisher, named.Name, named.Transport.Capabilities.System, telemetry, time, logger), circuit, time, logger);
        return new(
            named.Transport, named.Topology, queue, finder, handler, membership.GateOf(named, queue, circuit, logger),
            reason => membership.PauseAsync(queue.Name, reason), membership.RateOf(queue, time), membership.KeyRatesOf(queue, time), options, named.Status, scopes, telemetry, reports, time, logger);
    }

    private bool IsAnyReady => transports.All.Any(static one => one.Status.Ready.IsCompletedSuccessfully);

    private static void LogEmulated(TransportCapabilities abilities, ILogger logger)
    {
        foreach (var name in Enum.GetValues<TransportCapability>())
        {
            if (abilities[name] is { Level: CapabilityLevel.Emulated } capability)
            {
                logger.Emulated(abilities.System, name, capability.How);
            }
        }
    }

    /// <summary>The host goes on while one of its transports does; a transient error ends it, since it gets here only when none was reached in time.</summary>
    private void GiveUp(NamedTransport named, TransportException error, ILogger logger)
    {
        named.Status.IsFailed = true;
        named.Status.Tell(new TransportGivenUp(error));
        _reports?.Add(new(error, "connect", null));
        if (!error.IsTransient && transports.All.Any(static one => !one.Status.IsFailed))
        {
            logger.GivenUp(named.Name, error.Message);
            named.Status.SetFailed(error);
            return;
        }

        logger.Fatal(error.ExitCode, error.Message);
        Environment.ExitCode = error.ExitCode;
        named.Status.SetFailed(error);
        services.GetService<IHostApplicationLifetime>()?.StopApplication();
    }
}
