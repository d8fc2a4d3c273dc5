using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Postrider.Core.InMemory;
using Postrider.Core.Transport;
using Postrider.Testing.Harness;

namespace Postrider.Testing;

/// <summary>Puts a <see cref="MessagingTestHost"/> into an application.</summary>
public static class MessagingTestExtensions
{
    /// <summary>
    /// Makes an application testable: its transport becomes a broker in memory of its own, its clock one that is moved by hand, and a
    /// <see cref="MessagingTestHost"/> is in its services. For applications that start themselves, such as those of <c>WebApplicationFactory</c>; others use
    /// <see cref="MessagingTestHost.StartAsync"/>.
    /// </summary>
    /// <param name="services">The application's services, with everything that it registers: call this last, in <c>ConfigureTestServices</c> for example.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="MessagingConfigurationException">There is no messaging in the services, or this was called before.</exception>
    public static IServiceCollection AddMessagingTestHost(this IServiceCollection services, MessagingTestOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        options ??= new();
        var registration = MessagingServiceCollectionExtensions.Existing(services)
            ?? throw new MessagingConfigurationException("There is no messaging to test in these services: call AddMessaging() before AddMessagingTestHost().");
        if (services.Any(static service => service.ServiceType == typeof(TestSetup)))
        {
            throw new MessagingConfigurationException("AddMessagingTestHost() was called before on these services.");
        }

        if (options is { KeepTransport: true, Time: not null })
        {
            throw new MessagingConfigurationException("A transport that is kept has the broker's time: leave MessagingTestOptions.Time out.");
        }

        var setup = new TestSetup(options, registration);
        setup.Join();
        services.AddSingleton(setup);
        services.AddSingleton(static p => new MessagingTestHost(p, p.GetRequiredService<TestSetup>()));
        services.AddHostedService<ClockAtStop>();
        var chosen = services.Last(static service => service.ServiceType == typeof(ITransport)).ImplementationFactory!;
        if (setup.FakeTime is { } time)
        {
            var broker = new InMemoryBroker(time);
            chosen = _ => new InMemoryTransport(broker);
            services.Replace(ServiceDescriptor.Singleton<TimeProvider>(time));
            services.Replace(ServiceDescriptor.Singleton(broker));
        }

        registration.Substitute = (p, create) => p.GetRequiredService<MessagingTestHost>()
            .Watch(setup.FakeTime is { } moved ? new InMemoryTransport(new InMemoryBroker(moved)) : create());
        if (options.Mode == MessagingTestMode.Disabled)
        {
            services.Replace(ServiceDescriptor.Singleton(new PublishingSwitch { IsOn = false }));
        }

        services.Replace(ServiceDescriptor.Singleton(p => p.GetRequiredService<MessagingTestHost>().Watch((ITransport)chosen(p))));
        return services;
    }
}
