using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Postrider.Core.DeadLetters;
using Postrider.Core.Diagnostics;
using Postrider.Core.FlowControl;
using Postrider.Core.Hosting;
using Postrider.Core.InMemory;
using Postrider.Core.Inspection;
using Postrider.Core.Publishing;
using Postrider.Core.Serialization;
using Postrider.Core.Stats;
using Postrider.Core.Supervision;

namespace Postrider;

/// <summary>The way in.</summary>
public static class MessagingServiceCollectionExtensions
{
    /// <summary>
    /// Adds messaging. With a configuration, its section <c>Messaging</c> says the rest: <c>Messaging:Transport</c> chooses among the transports that were made
    /// available. Without any choice messages stay in this process's memory. May be called more than once: all calls add to the same registration, and the last
    /// configuration counts.
    /// </summary>
    public static MessagingBuilder AddMessaging(this IServiceCollection services, IConfiguration? configuration = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        var registration = Existing(services);
        if (registration is null)
        {
            registration = new MessagingRegistration();
            Register(services, registration);
        }

        if (configuration is not null)
        {
            registration.Configuration = configuration;
            registration.Choose(new MessagingSettings(configuration).Preset ?? registration.Preset);
        }

        return new MessagingBuilder(services, registration);
    }

    internal static MessagingRegistration? Existing(IServiceCollection services)
    {
        foreach (var service in services)
        {
            if (service.ServiceType == typeof(MessagingRegistration))
            {
                return (MessagingRegistration?)service.ImplementationInstance;
            }
        }

        return null;
    }

    private static void Register(IServiceCollection services, MessagingRegistration registration)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ILoggerFactory>(NullLoggerFactory.Instance);
        services.AddSingleton(registration);
        services.AddSingleton(static p => new MessagingSettings(p.GetRequiredService<MessagingRegistration>().Configuration));
        services.AddSingleton(Options);
        services.AddSingleton(static p => new InMemoryBroker(p.GetRequiredService<TimeProvider>()));
        services.AddSingleton<TransportFactory>();
        services.AddSingleton(static p => p.GetRequiredService<TransportFactory>().CreateDefault());
        services.AddSingleton(TransportSet.Build);
        services.AddSingleton(static p => new MessagingStatus(
            p.GetRequiredService<TransportSet>().All.Select(static one => one.Status), p.GetRequiredService<TransportSet>().Pools.Pools));
        services.AddSingleton(static p => new Telemetry(
            p.GetService<System.Diagnostics.Metrics.IMeterFactory>(), p.GetRequiredService<TimeProvider>(), p.GetRequiredService<MessagingOptions>().Telemetry));
        services.AddSingleton(static p => p.GetRequiredService<MessagingRegistration>().BuildSerializers());
        services.AddSingleton(static p => new BodyTransforms(p.GetRequiredService<MessagingRegistration>().BodyTransforms.Select(create => create(p))));
        services.AddSingleton(static p => new MessagingDescription(
            p.GetRequiredService<MessagingRegistration>(), p.GetRequiredService<MessagingSettings>(), p.GetRequiredService<MessagingOptions>(),
            p.GetRequiredService<TransportSet>()));
        services.AddSingleton(static p => new Observers(
            [.. p.GetRequiredService<MessagingRegistration>().Observers.Values.Select(create => create(p))], p.GetRequiredService<Telemetry>(),
            p.GetRequiredService<TimeProvider>(), new SafeLogger(p.GetRequiredService<ILoggerFactory>().CreateLogger("Postrider"))));
        services.AddSingleton<PublishingSwitch>();
        services.AddSingleton<IMessageBus>(static p => new MessageBus(
            p.GetRequiredService<MessagingRegistration>().PublishMiddleware.ConvertAll(one => (one.Scope, one.Create(p))),
            p.GetRequiredService<MessagingRegistration>().PublishDefaults, p.GetRequiredService<TransportSet>(), p.GetRequiredService<PublishingSwitch>(),
            new(
                p.GetRequiredService<TransportSet>(),
                new(
                    p.GetRequiredService<Serializers>(), p.GetRequiredService<BodyTransforms>(), new(p.GetRequiredService<MessagingRegistration>().Decoders),
                    p.GetRequiredService<MessagingOptions>().MaxBodyBytes),
                p.GetRequiredService<MessagingOptions>(), p.GetRequiredService<Telemetry>(), p.GetRequiredService<TimeProvider>())));
        services.AddSingleton<HostState>();
        services.AddSingleton(static p => new HostIdentity(p.GetRequiredService<MessagingOptions>().Application ?? "", TimeProvider.System));
        services.AddSingleton<IQueueControl, QueueControl>();
        services.AddSingleton<IMessagingProcesses, MessagingProcesses>();
        services.AddSingleton<QueueMarks>();
        services.AddSingleton<QueuePoll>();
        services.AddSingleton<StatsShare>();
        services.AddSingleton<MinuteRows>();
        services.AddSingleton<MessagingStats>();
        services.AddSingleton<StatsLoop>();
        services.AddSingleton<IMessagingStats>(static p => p.GetRequiredService<MessagingStats>());
        services.AddSingleton<IDeadLetters, DeadLetterService>();
        services.AddSingleton<IMessagingInspector, MessagingInspector>();
        services.AddHostedService<MessagingHostedService>();
    }

    private static MessagingOptions Options(IServiceProvider services)
    {
        var registration = services.GetRequiredService<MessagingRegistration>();
        var options = services.GetRequiredService<MessagingSettings>().Read(Presets.Host(registration.Preset));
        foreach (var change in registration.OptionsChanges)
        {
            options = change(options);
        }

        var application = services.GetService<IHostEnvironment>()?.ApplicationName ?? AppDomain.CurrentDomain.FriendlyName;
        return options.Application is null ? options with { Application = application } : options;
    }
}
