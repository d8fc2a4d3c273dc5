using System.Text.Json.Serialization;
using Microsoft.Extensions.DependencyInjection;
using Postrider.Core.Transport;
using Xunit;

namespace Postrider.Testing.Conformance;

/// <summary>The base of the scenarios that use a transport as applications do: through <c>AddMessaging()</c>, the bus, and consumers.</summary>
public abstract class HostScenarios : Scenarios
{
    private protected HostScenarios(TransportFixture fixture)
        : base(fixture)
    {
    }

    /// <summary>Keeps every attempt at hand without slowing the test down.</summary>
    private protected static RetryPolicy AtOnce { get; } = RetryPolicy.Immediate with { MaxAttempts = 3 };

    /// <summary>A started host on a transport of its own, with a topology that is declared.</summary>
    private protected async Task<ScenarioHost> StartHostAsync(Action<MessagingBuilder> register)
    {
        var host = await BeginHostAsync(await ConnectAsync(), register);
        await host.Status.Ready.WaitAsync(Fixture.Patience, Time);
        return host;
    }

    /// <summary>A host that was told to start, on this transport.</summary>
    private protected async Task<ScenarioHost> BeginHostAsync(ITransport transport, Action<MessagingBuilder> register)
    {
        var services = new ServiceCollection();
        services.AddSingleton(Time);
        var builder = services.AddMessaging()
            .UseTransport("conformance", _ => transport)
            .UseSerializer(new JsonMessageSerializer(ScenarioJson.Default.Options))
            .Configure(options => options with { PublishTimeout = Fixture.Patience, DrainTimeout = Fixture.Patience });
        register(builder);
        var host = Own(new ScenarioHost(services.BuildServiceProvider(validateScopes: true)));
        await host.StartAsync();
        return host;
    }

    private protected static Func<ConsumerOptions, ConsumerOptions> On(string topic, Func<ConsumerOptions, ConsumerOptions>? and = null) =>
        options => (and?.Invoke(options) ?? options) with { Topics = [topic] };

    private protected Func<ConsumerOptions, ConsumerOptions> With(RetryPolicy retry) => options => options with { Retry = retry, Lease = LongLease };

    /// <summary>The one message that is in the dead-letter queue, acked.</summary>
    private protected async Task<Envelope> DeadLetterAsync(ITransport transport, string queue)
    {
        await using var receiver = await OpenAsync(transport, Names.DeadLetterQueue(queue));
        var dead = (await DrainAsync(receiver, 1))[0].Envelope;
        await NothingComesAsync(receiver);
        return dead;
    }

    /// <summary>Waits until it is so.</summary>
    private protected async Task UntilAsync(Func<bool> condition)
    {
        var start = Time.GetTimestamp();
        while (!condition())
        {
            Assert.True(Time.GetElapsedTime(start) < Fixture.Patience, $"It did not come to that within {Fixture.Patience}.");
            await Task.Delay(Fixture.Quiet / 10, Time, Deadline);
        }
    }

    private protected async Task SendRawAsync(string queue, Envelope envelope) => await SendAsync(await ConnectAsync(), queue, envelope);
}

/// <summary>The message of the host scenarios.</summary>
/// <param name="Number">Which one.</param>
/// <param name="Text">Something to keep.</param>
[Message("conformance.job")]
internal sealed record Job(int Number, string Text = "");

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Job))]
internal sealed partial class ScenarioJson : JsonSerializerContext;
