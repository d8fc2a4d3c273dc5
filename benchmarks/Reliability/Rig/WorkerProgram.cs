using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Postrider.Reliability.Rig;

/// <summary>The process that consumes, until it is told to stop, is killed, or kills itself.</summary>
internal static class WorkerProgram
{
    public static async Task<int> RunAsync(string text)
    {
        var job = Job.Parse(text);
        using var ledger = new LedgerWriter(job.Ledger);
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = job.DrainTimeout + TimeSpan.FromSeconds(15));
        var messaging = Kind.Find(job.Kind).Use(builder.Services.AddMessaging(), job.Address);
        if (job.State is { } state)
        {
            messaging.UsePostgresState(state);
        }

        messaging
            .UseSerializer(new JsonMessageSerializer(JobJson.Default.Options))
            .Configure(options => options with { DrainTimeout = job.DrainTimeout })
            .AddConsumer<Work>(job.Queue, (work, context, cancellationToken) => HandleAsync(job, ledger, work, context, cancellationToken), options => options with
            {
                Concurrency = job.Concurrency,
                Lease = job.Lease,
                MaxRedeliveries = job.MaxRedeliveries,
                SingleActive = job.SingleActive,
                Order = job.SingleActive ? MessageOrder.ByKey : MessageOrder.None,
                Retry = RetryPolicy.Fixed(job.RetryDelay) with { MaxAttempts = job.MaxAttempts },
            });
        var host = builder.Build();
        await host.StartAsync();
        _ = host.Services.GetRequiredService<MessagingStatus>().Ready.ContinueWith(_ => ledger.Write('R', 0, 0, 0), TaskScheduler.Default);
        await host.WaitForShutdownAsync();
        return 0;
    }

    private static async ValueTask<Outcome> HandleAsync(Job job, LedgerWriter ledger, Work work, ConsumeContext context, CancellationToken cancellationToken)
    {
        ledger.Write('B', work.Number, context.Attempt, context.Redeliveries);
        if (work.Number == job.Deadly)
        {
            Process.GetCurrentProcess().Kill();
        }

        if (work.Number == job.Hanging)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, CancellationToken.None);
        }

        if (job.ThrowsEvery > 0 && work.Number % job.ThrowsEvery == 0)
        {
            throw new InvalidOperationException($"The message {work.Number} always fails.");
        }

        await Task.Delay(job.Handling, TimeProvider.System, cancellationToken);
        ledger.Write('E', work.Number, context.Attempt, context.Redeliveries);
        return Outcome.Ack;
    }
}
