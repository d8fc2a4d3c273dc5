using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Postrider.Core.Transport;

namespace Postrider.Interop.Tests;

/// <summary>A host with one queue in memory, whose consumer of bytes takes everything, and the transport below it for what others send.</summary>
internal static class Received
{
    public static CancellationToken Deadline => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    /// <summary>What a consumer sees of a message. The body is a copy.</summary>
    public static async Task<Envelope> AsSeenAsync(Action<MessagingBuilder> register, Envelope message)
    {
        var seen = new TaskCompletionSource<Envelope>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var host = await StartAsync(m => register(m.AddConsumer<byte[]>("q", (body, context, _) =>
        {
            seen.TrySetResult(context.Envelope with { Body = body });
            return new(Outcome.Ack);
        })));
        await SendAsync(host, message);
        var result = await seen.Task.WaitAsync(Deadline);
        await host.StopAsync(Deadline);
        return result;
    }

    /// <summary>What a message that nobody can read ends as.</summary>
    public static async Task<DeadLetter> AsDeadAsync(Action<MessagingBuilder> register, Envelope message)
    {
        using var host = await StartAsync(m => register(m.AddConsumer<Order>("q", static (_, _, _) => new(Outcome.Ack)).AddConsumer<Other>("q", static (_, _, _) => new(Outcome.Ack))));
        await SendAsync(host, message);
        var letters = host.Services.GetRequiredService<IDeadLetters>();
        using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        for (var deadline = Deadline; await letters.CountAsync("q", deadline) == 0;)
        {
            await look.WaitForNextTickAsync(deadline);
        }

        var dead = await letters.ListAsync("q").FirstAsync();
        await host.StopAsync(Deadline);
        return dead;
    }

    public static string Text(this Envelope envelope) => Encoding.UTF8.GetString(envelope.Body.Span);

    private static async Task<IHost> StartAsync(Action<MessagingBuilder> register)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        register(builder.Services.AddMessaging().UseInMemory());
        var host = builder.Build();
        await host.StartAsync(Deadline);
        await host.Services.GetRequiredService<MessagingStatus>().Ready.WaitAsync(Deadline);
        return host;
    }

    private static async Task SendAsync(IHost host, Envelope message)
    {
        var results = new PublishResult[1];
        await host.Services.GetRequiredService<ITransport>().PublishAsync(new[] { new OutgoingMessage(Destination.Queue("q"), message) }, results, Deadline);
        Assert.Equal(PublishStatus.Stored, results[0].Status);
    }
}

[Message("orders.placed")]
public sealed record Order(int Number, string Item);

[Message("other")]
public sealed record Other;
