using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Postrider.Core.DeadLetters;
using Postrider.Core.Diagnostics;
using Postrider.Core.Hosting;
using Postrider.Core.InMemory;
using Postrider.Core.Publishing;
using Postrider.Core.Serialization;
using Postrider.Core.Transport;

namespace Postrider;

/// <summary>The way in.</summary>
public static class MessagingServiceCollectionExtensions
{
    /// <summary>
    /// Adds messaging. With a configuration, <c>Messaging:Transport</c> chooses among the transports that were made available; without any
    /// choice messages stay in this process's memory. May be called more than once: all calls add to the same registration.
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
            services.TryAddSingleton(configuration); // for the transports' own options
            registration.ConfiguredTransport = configuration["Messaging:Transport"] ?? registration.ConfiguredTransport;
        }

        return new MessagingBuilder(services, registration);
    }

    private static MessagingRegistration? Existing(IServiceCollection services)
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
        services.AddSingleton(static p => WithApplication(p.GetRequiredService<MessagingRegistration>().Options, p.GetService<IHostEnvironment>()));
        services.AddSingleton(static p => new InMemoryBroker(p.GetRequiredService<TimeProvider>()));
        services.AddSingleton(Transport);
        services.AddSingleton(static _ => new MessagingStatus());
        services.AddSingleton(static p => new Telemetry(
            p.GetService<System.Diagnostics.Metrics.IMeterFactory>(), p.GetRequiredService<TimeProvider>()));
        services.AddSingleton(static p => p.GetRequiredService<MessagingRegistration>().BuildSerializers());
        services.AddSingleton<PublishingSwitch>();
        services.AddSingleton<IMessageBus>(static p => new MessageBus(
            p.GetRequiredService<MessagingRegistration>().PublishMiddleware.ConvertAll(middleware => middleware(p)),
            new Publisher(
                p.GetRequiredService<ITransport>(), p.GetRequiredService<Serializers>(), p.GetRequiredService<MessagingOptions>(),
                p.GetRequiredService<MessagingStatus>(), p.GetRequiredService<Telemetry>(), p.GetRequiredService<TimeProvider>()),
            p.GetRequiredService<PublishingSwitch>()));
        services.AddSingleton<IDeadLetters, DeadLetterService>();
        services.AddHostedService<MessagingHostedService>();
    }

    private static ITransport Transport(IServiceProvider services)
    {
        var registration = services.GetRequiredService<MessagingRegistration>();
        var name = registration.ChosenTransport ?? registration.ConfiguredTransport ?? MessagingRegistration.InMemory;
        if (registration.Transports.TryGetValue(name, out var create))
        {
            return create(services);
        }

        return name.Equals(MessagingRegistration.InMemory, StringComparison.OrdinalIgnoreCase)
            ? new InMemoryTransport(services.GetRequiredService<InMemoryBroker>())
            : throw new MessagingConfigurationException(
                $"The configuration chooses the transport '{name}' (Messaging:Transport), but only these are available: "
                + $"{string.Join(", ", [MessagingRegistration.InMemory, .. registration.Transports.Keys])}. Add it, with AddPgmq() for example.");
    }

    private static MessagingOptions WithApplication(MessagingOptions options, IHostEnvironment? environment) =>
        options.Application is null ? options with { Application = environment?.ApplicationName ?? AppDomain.CurrentDomain.FriendlyName } : options;
}
