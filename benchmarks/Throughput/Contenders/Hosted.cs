using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postrider.Throughput.Work;

namespace Postrider.Throughput.Contenders;

/// <summary>A framework that lives in a host: one host publishes, another consumes, as in two services, if the scenario does not want one host.</summary>
public abstract class Hosted(Job job) : Contender(job)
{
    private IHost? _publisher;
    private IHost? _consumer;

    /// <summary>Whether there is only one host, for one because messages do not leave it.</summary>
    protected virtual bool IsOneHost => Job.Shape.OneHost;

    /// <summary>Where publishes go in.</summary>
    protected IServiceProvider Publisher => (_publisher ?? _consumer)!.Services;

    public override async ValueTask PrepareAsync()
    {
        if (IsOneHost)
        {
            return;
        }

        await DeclareAsync();
        _publisher = await StartAsync(consume: false);
        Ready();
    }

    public override async ValueTask ConsumeAsync()
    {
        _consumer = await StartAsync(consume: true);
        if (IsOneHost)
        {
            Ready();
        }
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await StopAsync(_consumer);
        await StopAsync(_publisher);
    }

    /// <summary>Registers the framework, with its consumer or without it.</summary>
    protected abstract void Configure(IHostApplicationBuilder builder, bool consume);

    /// <summary>The host that publishes has been started.</summary>
    protected virtual void Ready()
    {
    }

    /// <summary>Returns when the host publishes or consumes.</summary>
    protected virtual Task StartedAsync(IServiceProvider services) => Task.CompletedTask;

    /// <summary>Makes the queues: most frameworks do it when a consumer is started.</summary>
    protected virtual async Task DeclareAsync() => await StopAsync(await StartAsync(consume: true));

    private async Task<IHost> StartAsync(bool consume)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new() { ApplicationName = "bench" });
        builder.Logging.SetMinimumLevel(LogLevel.None);
        Job.AddTo(builder.Services);
        Configure(builder, consume);
        var host = builder.Build();
        await host.StartAsync();
        await StartedAsync(host.Services);
        return host;
    }

    private static async ValueTask StopAsync(IHost? host)
    {
        if (host is not null)
        {
            await host.StopAsync();
            await ((IAsyncDisposable)host).DisposeAsync();
        }
    }
}
