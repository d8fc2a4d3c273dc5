namespace Postrider.Testing.Tests.Harness;

public sealed class RequestTests
{
    [Fact]
    public async Task A_request_that_is_retried_is_answered_without_waiting()
    {
        await using var host = await MessagingTestHost.StartAsync(static services => services.AddMessaging().AddConsumer<Asked>(
            "q",
            static async (asked, context, cancellationToken) =>
            {
                if (context.Attempt < 3)
                {
                    return Outcome.Retry(TimeSpan.FromSeconds(5));
                }

                await context.RespondAsync(new Answered(asked.Number + 1), null, cancellationToken);
                return Outcome.Ack;
            }));

        Assert.Equal(8, (await host.RequestAndSettleAsync<Asked, Answered>("q", new(7))).Number);
    }

    [Fact]
    public async Task A_fake_bus_answers_as_it_is_told_and_keeps_the_request()
    {
        var bus = new FakeBus();
        bus.Answer<Asked, Answered>(static asked => new(asked.Number * 2));

        Assert.Equal(6, (await bus.RequestAsync<Asked, Answered>("q", new(3))).Number);
        Assert.Equal(8, (await bus.RequestAsync<Asked, Answered>(new Asked(4))).Number);
        bus.Published<Asked>().Times(2);
        await Assert.ThrowsAsync<MessagingTestException>(async () => await bus.RequestAsync<Answered, Asked>("q", new(1)));
    }

    private sealed record Asked(int Number);

    private sealed record Answered(int Number);
}
