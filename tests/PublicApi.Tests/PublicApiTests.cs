using System.Reflection;
using System.Runtime.CompilerServices;
using PublicApiGenerator;

namespace Postrider.PublicApi.Tests;

/// <summary>
/// The public surface is a file under review. After a wanted change run the tests with POSTRIDER_APPROVE=1 and commit what changed in Approved/.
/// </summary>
public sealed class PublicApiTests
{
    [Theory]
    [InlineData("Postrider.Core")]
    [InlineData("Postrider.Dashboard")]
    [InlineData("Postrider.HealthChecks")]
    [InlineData("Postrider.Interop")]
    [InlineData("Postrider.Persistence.Postgres")]
    [InlineData("Postrider.Testing")]
    [InlineData("Postrider.Transports.Nats")]
    [InlineData("Postrider.Transports.Pgmq")]
    [InlineData("Postrider.Transports.RabbitMq")]
    public async Task The_public_surface_is_the_approved_one(string assembly)
    {
        var actual = Assembly.Load(assembly).GeneratePublicApi(new ApiGeneratorOptions
        {
            IncludeAssemblyAttributes = false,
            // They carry the source file and line for the test runner.
            ExcludeAttributes = ["Postrider.Testing.Conformance.ScenarioAttribute", "Postrider.Testing.Conformance.StateScenarioAttribute"],
        });
        var approved = Path.Combine(SourceFolder(), "Approved", assembly + ".txt");
        if (Environment.GetEnvironmentVariable("POSTRIDER_APPROVE") == "1")
        {
            await File.WriteAllTextAsync(approved, actual + "\n");
        }

        Assert.Equal((await File.ReadAllTextAsync(approved)).ReplaceLineEndings().TrimEnd(), actual.ReplaceLineEndings().TrimEnd());
    }

    /// <summary>Beside this source file, or beside the assembly where builds map source paths away.</summary>
    private static string SourceFolder([CallerFilePath] string path = "") =>
        File.Exists(path) ? Path.GetDirectoryName(path)! : AppContext.BaseDirectory;
}
