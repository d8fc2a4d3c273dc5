using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postrider.Storefront.Consumers;
using Spectre.Console;

namespace Postrider.Storefront;

/// <summary>The shop: its host, and a run from the first order to the last copy accounted for.</summary>
public sealed class Shop(IAnsiConsole console, bool verbose)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>All that the application has to say about messaging. Which broker it is, the configuration says.</summary>
    private static void AddMessaging(IServiceCollection services, IConfiguration configuration)
    {
        ConsumerOptions Common(ConsumerOptions options) => options with { Concurrency = configuration.GetValue<int>("Storefront:Concurrency") };

        services.AddSingleton<Warehouse>();
        services.AddMessaging(configuration)
            .AddPgmq().AddRabbitMq().AddNats()
            .Configure(options => options with { FailFastAfter = TimeSpan.FromSeconds(5) })
            .UseSerializer(new JsonMessageSerializer(OrderJson.Default.Options))
            .UseConsume(static next => context => context.Services.GetRequiredService<Accounting>().WatchAsync(next, context))
            .AddConsumer<BillingConsumer, OrderPlaced>(options => Common(options) with { Retry = BillingConsumer.Retry })
            .AddConsumer<InventoryConsumer, OrderPlaced>(Common)
            .AddConsumer<NotificationsConsumer, OrderPlaced>(Common);
    }

    /// <summary>What messaging consists of, for people. No broker is asked.</summary>
    /// <exception cref="MessagingConfigurationException">The configuration is wrong.</exception>
    public static string Describe(IEnumerable<KeyValuePair<string, string?>> commandLine)
    {
        using var host = new Shop(AnsiConsole.Console, verbose: false).Build(commandLine);
        return host.Services.GetRequiredService<MessagingDescription>().ToString();
    }

    /// <param name="orders">One order per line.</param>
    /// <param name="commandLine">Configuration that wins over the environment and <c>appsettings.json</c>.</param>
    /// <returns>The exit code.</returns>
    /// <exception cref="MessagingConfigurationException">The configuration is wrong.</exception>
    /// <exception cref="TransportException">The broker cannot be used.</exception>
    public async Task<int> RunAsync(Stream orders, IEnumerable<KeyValuePair<string, string?>> commandLine)
    {
        using var host = Build(commandLine);
        await host.StartAsync();
        var status = host.Services.GetRequiredService<MessagingStatus>();
        var stopping = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        await status.Ready.WaitAsync(stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!status.Ready.IsCompleted)
        {
            return ExitCodes.Interrupted;
        }

        await status.Ready;
        var accounting = host.Services.GetRequiredService<Accounting>();
        accounting.Open(status.Queues.Keys);
        using var over = new CancellationTokenSource();
        var watching = Task.WhenAll(status.Queues.Keys.Select(queue =>
            ActivatorUtilities.CreateInstance<DeadLetterWatch>(host.Services, queue).RunAsync(over.Token)));
        var run = WorkAsync(host.Services.GetRequiredService<OrderFeed>(), accounting, orders, stopping);
        await new Progress(console, accounting, TimeProvider.System).ShowAsync(run, onTerminal: console.Profile.Out.IsTerminal && !verbose);

        await DrainAsync(status, stopping);
        var interrupted = stopping.IsCancellationRequested;
        if (host is WebApplication open && !interrupted)
        {
            console.WriteLine($"Open at {open.Urls.First()} until Ctrl-C.");
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await host.StopAsync(CancellationToken.None);
        await over.CancelAsync();
        await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Summary.Write(console, accounting.Read(), interrupted);
        if (watching.IsFaulted)
        {
            await watching;
        }

        return status.Error is { IsFatal: true } error ? throw error : await run;
    }

    /// <summary>Goes on until nothing is left on the broker that is being drained, and tells what became of it.</summary>
    private async Task DrainAsync(MessagingStatus status, CancellationToken interrupted)
    {
        foreach (var old in status.Transports.Values.Where(static one => one.Drain is not null))
        {
            using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(interrupted);
            patience.CancelAfter(Patience);
            try
            {
                while (old.Drain is not { IsDrained: true })
                {
                    await look.WaitForNextTickAsync(patience.Token);
                }
            }
            catch (OperationCanceledException)
            {
                // Then what is left is told.
            }

            console.WriteLine($"{old}");
        }
    }

    private IHost Build(IEnumerable<KeyValuePair<string, string?>> commandLine)
    {
        var settings = commandLine.ToList();
        IHostApplicationBuilder builder = settings.Exists(static one => one.Key == Observability.Key)
            ? WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory })
            : Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Logging.ClearProviders(); // The screen is for the run; what went wrong, the summary tells.
        if (verbose)
        {
            builder.Logging.AddConsole(options => options.LogToStandardErrorThreshold = LogLevel.Trace);
        }

        builder.Services.AddSingleton<Accounting>().AddSingleton<OrderFeed>();
        AddMessaging(builder.Services, builder.Configuration);
        return builder is WebApplicationBuilder web ? Observability.Build(web) : ((HostApplicationBuilder)builder).Build();
    }

    private static async Task<int> WorkAsync(OrderFeed feed, Accounting accounting, Stream orders, CancellationToken interrupted)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(interrupted);
        var feeding = feed.PublishAsync(orders, stop.Token);
        try
        {
            if (!await accounting.CompleteAsync(Patience, interrupted))
            {
                return ExitCodes.Unaccounted;
            }

            await feeding;
            return accounting.Read().NotPublished == 0 ? 0 : ExitCodes.Unaccounted;
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            return ExitCodes.Interrupted;
        }
        catch (PublishException)
        {
            return ExitCodes.Unavailable; // The summary names the order and the reason.
        }
        finally
        {
            await stop.CancelAsync();
            await feeding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
