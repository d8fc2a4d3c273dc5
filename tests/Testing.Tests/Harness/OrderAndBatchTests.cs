using Microsoft.Extensions.DependencyInjection;

namespace Postrider.Testing.Tests.Harness;

/// <summary>Consumers that take batches, and those that hold a key back while the clock stands still.</summary>
public sealed class OrderAndBatchTests
{
    [Fact]
    public async Task A_batch_that_is_not_full_needs_no_time()
    {
        await using var host = await MessagingTestHost.StartAsync(static services => services.AddMessaging()
            .AddBatchConsumer<Step>("steps", static (batch, _) => new(batch[0].Message.Number == 2 ? Outcome.DeadLetter("two") : Outcome.Ack)));

        await host.SendAndSettleAsync("steps", new Step(1));
        await host.SendAndSettleAsync("steps", new Step(2));

        host.Handled<Step>().Once();
        host.DeadLettered<Step>(static step => step.Number == 2).Once();
    }

    [Fact]
    public async Task A_retry_that_holds_its_key_back_is_run_when_it_is_due_and_those_behind_it_after_it()
    {
        var runs = new List<(int, int)>();
        await using var host = await MessagingTestHost.StartAsync(services => services.AddMessaging().AddConsumer<Step>(
            "steps",
            (step, context, _) =>
            {
                runs.Add((step.Number, context.Attempt));
                return new(step.Number == 1 && context.Attempt < 3 ? Outcome.Retry(TimeSpan.FromHours(1)) : Outcome.Ack);
            },
            static options => options with { Order = MessageOrder.ByKeyWithRetries }), new() { Mode = MessagingTestMode.Capture });
        foreach (var number in (int[])[1, 2, 3])
        {
            await host.Bus.SendAsync("steps", new Step(number), new() { Key = "k" });
        }

        host.HandleCaptured();
        await host.AdvanceAsync(TimeSpan.FromMinutes(119));
        Assert.Equal([(1, 1), (1, 2)], runs);
        await host.SettleAsync();

        Assert.Equal([(1, 1), (1, 2), (1, 3), (2, 1), (3, 1)], runs);
        host.Retried<Step>(static step => step.Number == 1).Times(2);
        host.Handled<Step>().Times(3);
    }

    [Message("order-and-batch.step")]
    internal sealed record Step(int Number);
}
